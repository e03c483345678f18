"""Images that come by themselves: watched folders and cameras. Nothing further in knows this room.

``lifecycle`` opens it.

``share.py`` asks a folder what is in it, ``listing.py`` knows which files are whole, ``once.py`` inspects each once,
``settling.py`` writes its answer and moves it; ``folder.py`` is the loop of one folder. ``pictures.py`` takes pictures
of a camera, ``soundness.py`` says whether they are any, ``camera.py`` is the loop of one; ``watching.py`` has all.
"""
