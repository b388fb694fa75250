"""The admin service: the catalogue, and reports on the users and loans that the frontend pushes."""
