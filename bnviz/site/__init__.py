"""A web site without a server: recordings of really trained networks, the labs and the lessons, as plain files."""
