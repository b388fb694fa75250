"""What the library decides about lending: branches with their calendars, circulation rules, settings."""
