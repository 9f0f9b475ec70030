;; Was built for a later minor version of the contract, and asks an interface that this one does not have.
(component
  (import "kerno:rules/numa@1.9.0-rc.1" (instance (export "nodes" (func (result u32))))))
