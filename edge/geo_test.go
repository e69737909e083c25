package edge

import "glassine/edge/geo"

// What edge/geo knows of an address converts to what the headers are made of.
var _ = Place(geo.Place{})
