"""Which settings a nominal set should be built with: tried on a part of its images, judged by made or labelled defects."""
