;; Was built for the next major version of the contract.
(component
  (import "kerno:rules/host@2.0.0" (instance (export "window-seconds" (func (result f64))))))
