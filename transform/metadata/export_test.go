package metadata

import "strconv"

// TagNumbers returns the tags of a group of ExifJSON by their names. Names that are numbers are not in it.
func TagNumbers(group string) map[string]uint16 {
	names := map[string]map[uint16]string{"Image": imageTags, "Thumbnail": imageTags, "Photo": photoTags, "GPSInfo": gpsTags, "Iop": iopTags}[group]
	numbers := make(map[string]uint16)
	for tag, name := range names {
		if old, twice := numbers[name]; twice && old != tag {
			panic(name + " is the name of " + strconv.Itoa(int(old)) + " and " + strconv.Itoa(int(tag)))
		}
		numbers[name] = tag
	}
	return numbers
}
