"""Every message of the v1 packages, one module a package, fields in the order in which JSON writes them."""
