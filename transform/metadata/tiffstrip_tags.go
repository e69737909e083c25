package metadata

// Tags of TIFF 6.0 and its supplements, by name where the code asks for them.
const (
	tagNewSubfileType  = 254
	tagSubfileType     = 255
	tagWidth           = 256
	tagHeight          = 257
	tagCompression     = 259
	tagPhotometric     = 262
	tagStripOffsets    = 273
	tagStripByteCounts = 279
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagSubIFDs         = 330
	tagExtraSamples    = 338
	tagJPEGTables      = 347
	tagXMP             = 700
	tagIPTC            = 33723
	tagPhotoshop       = 34377
	tagExifIFD         = 34665
	tagICCProfile      = 34675
	tagGPSIFD          = 34853
	tagInteropIFD      = 40965
	tagDNGVersion      = 50706
)

// tiffKept is the whitelist: the tags of numbers that a decoder needs to show the picture (TIFF 6.0 appendix A; TIFF
// Technical Notes 1 and 2 and Adobe's Photoshop notes of 2002; libtiff's LERC tags), with the most values that each may
// have. What has more is dropped. Strips and tiles, JPEGTables and the colour profile are written apart.
var tiffKept = map[uint16]int64{
	254: 1, 255: 1, 256: 1, 257: 1, // subfile types, size
	258: 64, 259: 1, 262: 1, 263: 1, 264: 1, 265: 1, 266: 1, // bits, compression, colours, fill order
	274: 1, 277: 1, 278: 1, 280: 64, 281: 64, // orientation, samples, rows a strip, least and most sample
	282: 1, 283: 1, 284: 1, 286: 1, 287: 1, // resolution, planes, position
	290: 1, 291: 1 << 16, 292: 1, 293: 1, 296: 1, 297: 2, // gray response, fax options, resolution unit, page number
	301: 3 << 16, 317: 1, 318: 2, 319: 6, 320: 3 << 16, 321: 2, // transfer function, predictor, white point, primaries, colour map, halftones
	322: 1, 323: 1, // tiles
	332: 1, 334: 1, 336: 128, 338: 64, 339: 64, 340: 64, 341: 64, 342: 6, // inks, extra samples, sample formats and ranges
	529: 3, 530: 2, 531: 1, 532: 6, // YCbCr
	34925: 2, // LERC parameters
}
