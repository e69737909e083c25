package cloudformation

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
)

// Functions that choose one of several values, and those that make a list.

func (e *evaluator) ifElse(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) != 3 {
		return nil, n.refuse("Template error: Fn::If requires a list argument with 3 parameters")
	}
	name, _ := argument.list[0].text()
	holds, ok := e.conditions[name]
	if !ok {
		return nil, n.refuse("Template error: the condition %s of Fn::If is not defined", name)
	}
	if holds {
		return e.value(argument.list[1])
	}
	return e.value(argument.list[2])
}

func (e *evaluator) selectOne(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) != 2 {
		return nil, n.refuse("Template error: every Fn::Select object requires two parameters, the index and the list")
	}
	text, ok, err := e.text(argument.list[0], "the index of Fn::Select")
	if err != nil {
		return nil, err
	}
	list, known, err := e.values(argument.list[1], "the second argument of Fn::Select")
	if err != nil {
		return nil, err
	}
	if !ok || !known {
		return unknown{}, nil
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= len(list) {
		return nil, n.refuse("Template error: Fn::Select cannot select nonexistent value at index %s", text)
	}
	return list[i], nil
}

func (e *evaluator) findInMap(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) < 3 || len(argument.list) > 4 {
		return nil, n.refuse("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	at := e.template.mappings
	for i, what := range []string{"map name", "top level key", "second level key"} {
		key, ok, err := e.text(argument.list[i], "the "+what+" of Fn::FindInMap")
		if err != nil {
			return nil, err
		}
		if !ok {
			return unknown{}, nil
		}
		next := at.get(key)
		if next == nil {
			if len(argument.list) == 4 {
				d := argument.list[3].get("DefaultValue")
				if d == nil {
					return nil, n.refuse("Template error: the fourth argument of Fn::FindInMap is an object with DefaultValue")
				}
				return e.value(d)
			}
			if i == 0 {
				return nil, n.refuse("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", key)
			}
			return nil, n.refuse("Template error: Unable to get mapping for %s: there is no key %q", e.spelt(argument), key)
		}
		at = next
	}
	return e.value(at)
}

// spelt is the keys of an Fn::FindInMap as AWS shows them.
func (e *evaluator) spelt(argument *node) string {
	out := ""
	for i := range 3 {
		s, _, _ := e.text(argument.list[i], "key") // it was computed before
		if i > 0 {
			out += "::"
		}
		out += s
	}
	return out
}

// getAZs returns three zones for every region: there are no real ones.
func (e *evaluator) getAZs(argument *node) (any, error) {
	region, ok, err := e.text(argument, "the argument of Fn::GetAZs")
	if err != nil || !ok {
		return unknown{}, err
	}
	if region == "" {
		region = e.scope.region
	}
	return []any{region + "a", region + "b", region + "c"}, nil
}

// cidr is Fn::Cidr: [block, how many, bits of a block's host part].
// CloudFormation User Guide, "Fn::Cidr".
func (e *evaluator) cidr(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) < 2 || len(argument.list) > 3 {
		return nil, n.refuse("Template error: every Fn::Cidr object requires the ipBlock, the count and, perhaps, the cidrBits")
	}
	var texts []string
	for _, x := range argument.list {
		s, ok, err := e.text(x, "an argument of Fn::Cidr")
		if err != nil {
			return nil, err
		}
		if !ok {
			return unknown{}, nil
		}
		texts = append(texts, s)
	}
	block, err := netip.ParsePrefix(texts[0])
	if err != nil {
		return nil, n.refuse("Template error: Fn::Cidr: %s is not a block of addresses", texts[0])
	}
	count, err := strconv.Atoi(texts[1])
	if err != nil || count < 1 || count > 256 {
		return nil, n.refuse("Template error: Fn::Cidr: the count must be between 1 and 256")
	}
	all := block.Addr().BitLen()
	host := 8
	if len(texts) == 3 {
		if host, err = strconv.Atoi(texts[2]); err != nil || host < 1 || host > all {
			return nil, n.refuse("Template error: Fn::Cidr: cidrBits must be between 1 and %d", all)
		}
	}
	bits := all - host
	room := new(big.Int).Lsh(big.NewInt(1), uint(max(bits-block.Bits(), 0)))
	if bits < block.Bits() || room.Cmp(big.NewInt(int64(count))) < 0 {
		return nil, n.refuse("Template error: Fn::Cidr: %s has no room for %d blocks of %d bits", texts[0], count, host)
	}
	address := new(big.Int).SetBytes(block.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(host))
	out := make([]any, count)
	for i := range out {
		raw := address.FillBytes(make([]byte, all/8))
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return nil, fmt.Errorf("address of %d bytes", len(raw))
		}
		out[i] = netip.PrefixFrom(a, bits).String()
		address.Add(address, step)
	}
	return out, nil
}
