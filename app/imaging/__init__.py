"""Bytes to pixels and back: headers, decoding, overlays, PNG, folders of images. Knows neither store nor HTTP."""
