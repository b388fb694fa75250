"""What a target offers: its description by reflection, and the HTTP rules in it."""
