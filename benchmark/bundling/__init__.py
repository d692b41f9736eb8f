"""Bundles: everything that a machine without a network needs, in one folder.

`wanted` says what a command asks for, `places` where weights and data of it lie and what may be copied, `wheels`
gathers packages, `machine` names other machines, and `write` makes the folder.
"""
