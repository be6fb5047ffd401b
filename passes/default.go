package passes

// Default is the pipeline from a model as it was read to one with relevance.
// The order is the list's; After in each pass says which orders are needed.
func Default() Pipeline {
	return Pipeline{
		Fold,       // shapes and constants first: patterns look at them
		Widen,      // half precision computes in float32
		Expand,     // what optimizers have fused
		Dequantize, // small integers compute in float32
		Canonical,  // one way to say each thing
		Fold.Named("fold-again"),
		Recognize,                 // say what the exporter meant
		Dead.Named("dead-before"), // what recognition replaced
		Aim,                       // what is explained
		Demand,                    // and nothing else, if nothing else is wanted
		Fold.Named("fold-cut"),    // the positions that were cut
		Dead.Named("dead-cut"),    // what the cuts replaced
		Swap,                      // bind rules, while nodes are still those of the model
		Seed,                      // where relevance starts
		Relevance,                 // the reverse walk
		Narrow,                    // outputs in their declared types
		Dead.Named("dead-after"),  // derivatives that nobody asked for
		Legalize,                  // bodies for what the target lacks
		Fold.Named("fold-late"),   // constants inside the bodies
		CSE,                       // statistics and transposes that several formulas share
		Dead,                      // what merging left
		Checkpoint,                // what is kept between blocks, if memory is short
		Recompute,                 // what is cheaper to compute again than to keep
		Schedule,                  // the order that holds least memory
	}
}

// Forward is the pipeline of a model that computes what it did, with what Default
// understands of it and makes runnable, but without relevance. Of named targets it
// computes no more than they need, if the options say so.
func Forward() Pipeline {
	return Pipeline{
		Fold, Widen, Expand, Canonical, Fold.Named("fold-again"),
		Recognize, Dead.Named("dead-before"), Aim, Demand, Fold.Named("fold-cut"), Dead.Named("dead-cut"),
		Legalize, Fold.Named("fold-late"), CSE, Dead, Schedule,
	}
}

// Named returns the pass under another name, for a pipeline that runs it more
// than once.
func (p Pass) Named(name string) Pass {
	p.Name = name
	return p
}
