"""Reading source archives, source trees, wheels and git repositories; `index` has the network."""
