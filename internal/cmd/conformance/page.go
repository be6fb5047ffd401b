package main

func page(version string, tests []*test, es []engine, results [][]verdict) string { return "" }
