// The few f64 functions behind the rotary table and sampling, ours so that every platform's bits agree: libm's differ
// between systems.
#pragma once

namespace conclave {

/** ln(x) for finite x > 0, within a few ulp of f64. */
double logarithm(double x);

/** e^x for |x| <= 700, within a few ulp of f64. */
double exponential(double x);

/** base^exponent for base > 0, within a few ulp of f64. */
double power(double base, double exponent);

/** Sine and cosine of an angle up to 1e6 radians, within 3e-16. */
void sineCosine(double angle, double* sine, double* cosine);

}  // namespace conclave
