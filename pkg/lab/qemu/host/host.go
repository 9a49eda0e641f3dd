// Package host finds out what the machine that runs the lab can do: which
// accelerator, which QEMU, how much memory.
//
//	bin, err := host.FindQEMU(ctx)
//	accel, why := host.ChooseAccel(host.Auto)
//	err = host.CheckMemory(6144)
package host
