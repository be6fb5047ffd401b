package reference

// families are the kernels by operator name, as ir.OpName prints it. Each
// file of this package holds one.
var families = []map[string]kernel{
	elementwiseKernels, // elementwise.go, cast.go
	activationKernels,  // activation.go
	matmulKernels,      // matmul.go
	reduceKernels,      // reduce.go
	normKernels,        // norm.go
	shapeKernels,       // shape.go
	gatherKernels,      // gather.go
	convKernels,        // conv.go
	logicKernels,       // logic.go
	quantKernels,       // quant.go
	quantLinearKernels, // quantlinear.go
	signalKernels,      // signal.go
	sampleKernels,      // sample.go
	foundKernels,       // found.go
}
