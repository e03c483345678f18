"""Which settings a nominal set should be built with: tried on some of its images, judged by made or labelled defects."""
