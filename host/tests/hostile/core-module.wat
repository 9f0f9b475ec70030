;; A core module: no component at all.
(module (func (export "evaluate")))
