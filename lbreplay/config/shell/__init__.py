"""Shell scripts as people keep them -> the commands they would run, as far as that can be known without running one.

words       text -> words, operators, comments and here-documents
statements  those -> a tree: commands, loops, branches, functions
expansion   a word -> the words it becomes: variables, arrays, arithmetic, braces
execution   the tree -> commands, in order; what cannot be known is named, with how many balancer commands it holds
"""

from lbreplay.config.shell.execution import Command, Skipped, commands

__all__ = ["Command", "Skipped", "commands"]
