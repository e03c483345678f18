"""Images that come by themselves: watched folders. Nothing further in knows this room; ``lifecycle`` opens it.

``share.py`` asks a folder what is in it, ``listing.py`` knows which files are whole, ``once.py`` inspects each once,
``settling.py`` writes its answer and moves it; ``folder.py`` is the loop of one folder, ``watching.py`` all of them.
"""
