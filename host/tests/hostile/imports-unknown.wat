;; Imports an interface that the contract does not have.
(component
  (import "evil:tools/shell@0.1.0" (instance (export "run" (func)))))
