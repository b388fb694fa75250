"""What the admin does on a schedule: import from other catalogues, and fill gaps. Off until it is configured."""
