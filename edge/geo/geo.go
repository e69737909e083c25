// Package geo says where an address is, from databases in the MaxMind DB format that the user gives: GeoLite2 or GeoIP2 City, Country,
// ASN, and others with the same members. It ships no data and fetches none.
//
// Its Place has the members that the edge makes the CloudFront-Viewer-* headers of.
//
// Start from Open.
package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strconv"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database is one database or several, each for what it knows. It is safe for many goroutines. To follow an update, Open the new file
// and let go of the old Database; its memory goes when nobody uses it any more.
type Database struct{ readers []*maxminddb.Reader }

// Place is where an address is. A member that is not known is "".
// CloudFront Developer Guide, "Add CloudFront request headers", "Viewer location headers".
type Place struct {
	Country, CountryName    string // ISO 3166-1 alpha-2; the name in English
	Region, RegionName      string // the first subdivision's ISO 3166-2 code without the country
	City, PostalCode, Metro string // the city's name in English, UTF-8
	TimeZone                string // IANA
	Latitude, Longitude     string // degrees, with five decimals
	AutonomousSystem        string // number
}

// Open opens databases, such as a City and an ASN one. Files are mapped into memory, not read: replace one by renaming another over
// it. An error names the file and what is wrong with it.
func Open(files ...string) (*Database, error) {
	if len(files) == 0 {
		return nil, errors.New("no database is named")
	}
	d := &Database{}
	for _, file := range files {
		r, err := open(file)
		if err != nil {
			_ = d.Close() // err says more
			return nil, fmt.Errorf("open location database %s: %w", file, err)
		}
		d.readers = append(d.readers, r)
	}
	return d, nil
}

func open(file string) (*maxminddb.Reader, error) {
	r, err := maxminddb.Open(file)
	if err != nil {
		return nil, err
	}
	if err := useful(r); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// probes is how many networks are looked at for anything that is known.
const probes = 1000

// useful tells what is wrong with a database in which nothing can be found.
func useful(r *maxminddb.Reader) error {
	seen := 0
	for result := range r.Networks() {
		var p Place
		if err := fill(result, &p); err != nil {
			return fmt.Errorf("it is of type %q, whose records are not those of a City, Country or ASN database: %w", r.Metadata.DatabaseType, err)
		}
		if p != (Place{}) {
			return nil
		}
		if seen++; seen == probes {
			break
		}
	}
	return fmt.Errorf("it is of type %q, and says of no address where it is", r.Metadata.DatabaseType)
}

// Close gives the files back. No lookup may be under way or follow.
func (d *Database) Close() error {
	var all []error
	for _, r := range d.readers {
		all = append(all, r.Close())
	}
	return errors.Join(all...)
}

// Place returns what is known about an address, the zero Place if nothing is. An IPv4 address in IPv6 is looked up as IPv4. What a
// damaged database cannot tell is not known.
func (d *Database) Place(a netip.Addr) Place {
	var p Place
	if !a.IsValid() {
		return p
	}
	a = a.Unmap().WithZone("")
	for _, r := range d.readers {
		lookup(r, a, &p)
	}
	return p
}

// lookup adds what r knows. A file that was cut short since it was mapped would stop the whole process with a fault; here it is as
// if it said nothing.
func lookup(r *maxminddb.Reader, a netip.Addr, p *Place) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	before := *p
	defer func() {
		if recover() != nil {
			*p = before
		}
	}()
	if err := fill(r.Lookup(a), p); err != nil {
		*p = before
	}
}

// record are the members of GeoIP2 and GeoLite2 that matter here.
type record struct {
	Country      division   `maxminddb:"country"`
	Subdivisions []division `maxminddb:"subdivisions"`
	City         division   `maxminddb:"city"`
	Postal       struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"postal"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
		Metro     uint     `maxminddb:"metro_code"`
		TimeZone  string   `maxminddb:"time_zone"`
	} `maxminddb:"location"`
	AutonomousSystem uint `maxminddb:"autonomous_system_number"`
}

type division struct {
	Code  string `maxminddb:"iso_code"`
	Names struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// fill adds to p what a record has and p has not.
func fill(result maxminddb.Result, p *Place) error {
	var r record
	if err := result.Decode(&r); err != nil {
		return err
	}
	set := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	set(&p.Country, r.Country.Code)
	set(&p.CountryName, r.Country.Names.English)
	if len(r.Subdivisions) > 0 {
		set(&p.Region, r.Subdivisions[0].Code)
		set(&p.RegionName, r.Subdivisions[0].Names.English)
	}
	set(&p.City, r.City.Names.English)
	set(&p.PostalCode, r.Postal.Code)
	set(&p.TimeZone, r.Location.TimeZone)
	if r.Location.Latitude != nil && r.Location.Longitude != nil {
		set(&p.Latitude, degrees(*r.Location.Latitude))
		set(&p.Longitude, degrees(*r.Location.Longitude))
	}
	if r.Location.Metro != 0 {
		set(&p.Metro, strconv.FormatUint(uint64(r.Location.Metro), 10))
	}
	if r.AutonomousSystem != 0 {
		set(&p.AutonomousSystem, strconv.FormatUint(uint64(r.AutonomousSystem), 10))
	}
	return nil
}

func degrees(v float64) string { return strconv.FormatFloat(v, 'f', 5, 64) }
