"""Which settings a nominal set should be built with: tried on some images, judged by made or labelled defects."""
