package ir

import "slices"

// uses checks that the readers of each value read it.
func (v *verifier) uses() {
	for _, val := range v.values {
		for i, u := range val.uses {
			switch {
			case !v.nodes[u.Node]:
				v.bad("value %s counts a use by %v, which is not in the model", val, u.Node)
			case u.Index >= len(u.Node.In) || u.Node.In[u.Index] != val:
				v.bad("value %s counts a use by %v, which does not read it", val, u.Node)
			case slices.Contains(val.uses[:min(i, manyUses)], u): // enough to notice, and not quadratic
				v.bad("value %s counts its use by %v twice", val, u.Node)
			}
		}
	}
	clear(v.nodes)
	v.values = v.values[:0]
}

// manyUses is how many uses of a value are searched one by one.
const manyUses = 64

// counts reports whether val counts u among its uses.
func (v *verifier) counts(val *Value, u Use) bool {
	if len(val.uses) <= manyUses {
		return slices.Contains(val.uses, u)
	}
	set := v.counted[val]
	if set == nil {
		set = make(map[Use]bool, len(val.uses))
		for _, u := range val.uses {
			set[u] = true
		}
		v.counted[val] = set
	}
	return set[u]
}
