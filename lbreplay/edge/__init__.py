"""Where lbreplay meets the machine and the person: files it may touch, signals that end it, text it did not write.

    output.py    the one writer: nothing half under a name, an old file stays until the new one is whole
    folder.py    a folder that is filled: whole, or as it was
    apart.py     two names of one file: refused before anything is opened
    within.py    which files a run may touch, where what it runs is not its user's (a case of somebody else's)
    scratch.py   folders for the time of a run, and what runs that were killed left behind
    ending.py    signals: what has to be undone before the process ends
    text.py      what a capture, a file or a person says, made harmless to show

Every room stands on it; it knows only errors.
"""
