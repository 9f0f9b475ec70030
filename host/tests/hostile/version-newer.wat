;; Was built for a later minor version of the contract, and asks what this one does not have.
(component
  (import "kerno:rules/host@1.9.0" (instance (export "boot-seconds" (func (result f64)))))
  (component $guest)
  (instance $i (instantiate $guest))
  (export "kerno:rules/guest@1.9.0" (instance $i)))
