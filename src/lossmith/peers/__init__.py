"""Other libraries' losses, one table a peer: names, parameters, and the factor and shift by which their number differs.

Every module here is read by ``lossmith.translation``; none imports its peer.
"""
