"""Pictures of covers: they are checked, cleaned, stored and served by the admin itself."""
