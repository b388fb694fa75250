"""The frontend service: users enrol, browse and borrow; the catalogue is a replica of the admin's."""
