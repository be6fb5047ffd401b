package backendtest

func randomCases() []*testCase { return nil }
func moveCases() []*testCase   { return nil }
