package ir

// SetConsts keeps only the given constants of g, which must be among them.
func (g *Graph) SetConsts(keep []*Value) {
	stay := make(map[*Value]bool, len(keep))
	for _, v := range keep {
		stay[v] = true
	}
	for _, v := range g.Consts {
		if !stay[v] {
			g.free(v.Name)
		}
	}
	g.Consts = keep
}
