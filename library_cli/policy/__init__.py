"""Commands for the rules of lending, the branches, their calendars and the settings of the library."""
