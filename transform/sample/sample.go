// Package sample holds the demonstration photograph: what glassine puts into a new bucket so that there is a picture to
// open, and something in it to take out.
//
// It is no photograph. generate.go in this folder computed it: an evening at a mountain lake, 1600x1200 pixels as it is
// meant to be seen. It is part of glassine and under the same licence, Apache-2.0; place, camera and names in it are made
// up.
package sample

import _ "embed"

// JPEG is the picture as a camera held upright would write it: stored 1200x1600 with Orientation 6, so that it stands
// upright only where the orientation is honoured. It carries a camera with a serial number, a GPS position (Point Nemo,
// the place in the ocean that is farthest from any land), an embedded thumbnail, XMP, IPTC, a comment, and an sRGB ICC
// profile. Do not modify it.
//
//go:embed sample.jpg
var JPEG []byte

// Name is a key to store it under.
const Name = "sample.jpg"
