"""Every write that a person can make, from a page, a command or a program: one function each.

An action reads what was asked for (text stays text until here), checks it, writes desired state and
raises one error whose text is a whole sentence: what is wrong, and what can be. The right to act is
a question of the layer above, `components.authority`.
"""
