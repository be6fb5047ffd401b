//go:build amd64 && !purego

package cpu

// vector512 sets the elementwise and row kernels.
func (ks *kernels) vector512() {
	ks.unary[Neg] = neg512
	ks.unary[Abs] = abs512
	ks.unary[Square] = square512
	ks.unary[Sqrt] = sqrt512
	ks.unary[Rsqrt] = rsqrt512
	ks.unary[Reciprocal] = reciprocal512
	ks.unary[Relu] = relu512
	ks.unary[Exp] = exp512
	ks.unary[Log] = log512
	ks.unary[Sigmoid] = sigmoid512
	ks.unary[Silu] = silu512
	ks.unary[Tanh] = tanh512
	ks.unary[Erf] = erf512
	ks.unary[Gelu] = gelu512
	ks.unary[GeluTanh] = geluTanh512
	ks.unary[HardSwish] = hardSwish512
	ks.binary[Add] = binaryKernels{vv: addVV512, vs: addVS512, sv: addSV512}
	ks.binary[Sub] = binaryKernels{vv: subVV512, vs: subVS512, sv: subSV512}
	ks.binary[Mul] = binaryKernels{vv: mulVV512, vs: mulVS512, sv: mulSV512}
	ks.binary[Div] = binaryKernels{vv: divVV512, vs: divVS512, sv: divSV512}
	ks.binary[Max] = binaryKernels{vv: maxVV512, vs: maxVS512, sv: maxSV512}
	ks.binary[Min] = binaryKernels{vv: minVV512, vs: minVS512, sv: minSV512}
	ks.compare[Less] = compareKernels{vv: lessVV512, vs: lessVS512}
	ks.compare[LessOrEqual] = compareKernels{vv: lessOrEqualVV512, vs: lessOrEqualVS512}
	ks.compare[Equal] = compareKernels{vv: equalVV512, vs: equalVS512}
	ks.compare[Greater] = compareKernels{vv: greaterVV512, vs: greaterVS512}
	ks.compare[GreaterOrEqual] = compareKernels{vv: greaterOrEqualVV512, vs: greaterOrEqualVS512}
	ks.choose = chooseKernels{chooseVV512, chooseVS512, chooseSV512}
	ks.reduce[Sum] = sum512
	ks.reduce[SumSquares] = sumSquares512
	ks.reduce[SumAbs] = sumAbs512
	ks.reduce[MaxOf] = maxOf512
	ks.reduce[MinOf] = minOf512
	ks.divEps, ks.divSignEps, ks.mulAdd, ks.axpy = divEps512, divSignEps512, mulAdd512, axpy512
	ks.dot, ks.sqDev, ks.expSum = dot512, sqDev512, expSum512
	ks.softVJP, ks.taylor, ks.affine, ks.scaleWith = softVJP512, taylor512, affine512, scaleWith512
}

// vector256 sets the elementwise and row kernels.
func (ks *kernels) vector256() {
	ks.unary[Neg] = neg256
	ks.unary[Abs] = abs256
	ks.unary[Square] = square256
	ks.unary[Sqrt] = sqrt256
	ks.unary[Rsqrt] = rsqrt256
	ks.unary[Reciprocal] = reciprocal256
	ks.unary[Relu] = relu256
	ks.unary[Exp] = exp256
	ks.unary[Log] = log256
	ks.unary[Sigmoid] = sigmoid256
	ks.unary[Silu] = silu256
	ks.unary[Tanh] = tanh256
	ks.unary[Erf] = erf256
	ks.unary[Gelu] = gelu256
	ks.unary[GeluTanh] = geluTanh256
	ks.unary[HardSwish] = hardSwish256
	ks.binary[Add] = binaryKernels{vv: addVV256, vs: addVS256, sv: addSV256}
	ks.binary[Sub] = binaryKernels{vv: subVV256, vs: subVS256, sv: subSV256}
	ks.binary[Mul] = binaryKernels{vv: mulVV256, vs: mulVS256, sv: mulSV256}
	ks.binary[Div] = binaryKernels{vv: divVV256, vs: divVS256, sv: divSV256}
	ks.binary[Max] = binaryKernels{vv: maxVV256, vs: maxVS256, sv: maxSV256}
	ks.binary[Min] = binaryKernels{vv: minVV256, vs: minVS256, sv: minSV256}
	ks.compare[Less] = compareKernels{vv: lessVV256, vs: lessVS256}
	ks.compare[LessOrEqual] = compareKernels{vv: lessOrEqualVV256, vs: lessOrEqualVS256}
	ks.compare[Equal] = compareKernels{vv: equalVV256, vs: equalVS256}
	ks.compare[Greater] = compareKernels{vv: greaterVV256, vs: greaterVS256}
	ks.compare[GreaterOrEqual] = compareKernels{vv: greaterOrEqualVV256, vs: greaterOrEqualVS256}
	ks.choose = chooseKernels{chooseVV256, chooseVS256, chooseSV256}
	ks.reduce[Sum] = sum256
	ks.reduce[SumSquares] = sumSquares256
	ks.reduce[SumAbs] = sumAbs256
	ks.reduce[MaxOf] = maxOf256
	ks.reduce[MinOf] = minOf256
	ks.divEps, ks.divSignEps, ks.mulAdd, ks.axpy = divEps256, divSignEps256, mulAdd256, axpy256
	ks.dot, ks.sqDev, ks.expSum = dot256, sqDev256, expSum256
	ks.softVJP, ks.taylor, ks.affine, ks.scaleWith = softVJP256, taylor256, affine256, scaleWith256
}
