package app

// AllowSeveralInOneProcess lets tests run operators side by side; in a process of its own, two controllers of one
// name would be a mistake.
func (o *Options) AllowSeveralInOneProcess() { o.skipNameValidation = true }
