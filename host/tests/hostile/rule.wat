;; The frame of the guests in `rules/`: a component that keeps the contract's form (`wit/v1`) by hand. `../engine/guest.rs` puts a
;; guest's core module in the place that is left for it.
;;
;; The module imports memory from `base`, where there is, as the canonical ABI lays it out:
;;     64  a description: id `hostile`, no families, no parameters
;;    256  a finding about the node `lab`, complete
;;    512  an answer of `evaluate`: fired with one finding, that at 256
;;   1024  texts; free from 4096 on
;; It exports `describe` and `evaluate`, both of which return an address.
(component
  (import "kerno:rules/params@1.0.0" (instance $params (export "get" (func (param "name" string) (result f64)))))
  (import "kerno:rules/host@1.0.0" (instance $host (export "window-seconds" (func (result f64)))))
  (import "kerno:rules/log@1.0.0" (instance $log (export "debug" (func (param "line" string)))))

  (core module $base
    (memory (export "memory") 1)
    ;; description: id, title, version, severity, families, parameters
    (data (i32.const 64) "\00\04\00\00" "\07\00\00\00" "\00\04\00\00" "\07\00\00\00" "\08\04\00\00" "\05\00\00\00"
      "\01\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00")
    ;; finding: severity, title, entity (kind, names), signal (name, value, threshold, unit)
    (data (i32.const 256) "\01\00\00\00" "\00\04\00\00" "\07\00\00\00" "\00\00\00\00" "\80\01\00\00" "\01\00\00\00"
      "\00\04\00\00" "\07\00\00\00" "\00\00\00\00\00\00\00\40" "\00\00\00\00\00\00\f0\3f" "\10\04\00\00" "\07\00\00\00"
      ;; cause, impact, evidence, fixes, eta-seconds, confidence
      "\00\04\00\00" "\07\00\00\00" "\00\04\00\00" "\07\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00"
      "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\f0\3f")
    ;; the entity's name: key, value
    (data (i32.const 384) "\18\04\00\00" "\04\00\00\00" "\20\04\00\00" "\03\00\00\00")
    ;; answer: ok, fired, findings
    (data (i32.const 512) "\00\00\00\00" "\00\00\00\00" "\00\01\00\00" "\01\00\00\00")
    (data (i32.const 1024) "hostile\00" "1.0.0\00\00\00" "seconds\00" "node\00\00\00\00" "lab"))
  (core instance $base (instantiate $base))
  (alias core export $base "memory" (core memory $memory))
  (core func $get (canon lower (func $params "get") (memory $memory)))
  (core func $window-seconds (canon lower (func $host "window-seconds")))
  (core func $debug (canon lower (func $log "debug") (memory $memory)))
  (core instance $kerno
    (export "get" (func $get))
    (export "window-seconds" (func $window-seconds))
    (export "debug" (func $debug)))

  (; rule ;)
  (core instance $rule (instantiate $rule (with "base" (instance $base)) (with "kerno" (instance $kerno))))

  (type $severity (enum "info" "warning" "critical"))
  (type $urgency (enum "now" "within-five-minutes" "later"))
  (type $kind (enum "node" "pod" "container" "unit" "cgroup" "process" "device" "mount" "network-interface" "remote"))
  (type $unit (enum "seconds" "ratio" "bytes" "count"))
  (type $name (record (field "key" string) (field "value" string)))
  (type $entity (record (field "kind" $kind) (field "names" (list $name))))
  (type $signal (record (field "name" string) (field "value" f64) (field "threshold" f64) (field "unit" string)))
  (type $evidence (record (field "key" string) (field "value" f64) (field "unit" string)))
  (type $fix (record (field "when" $urgency) (field "title" string) (field "command" string)))
  (type $finding (record
    (field "severity" $severity) (field "title" string) (field "entity" $entity) (field "signal" $signal)
    (field "cause" string) (field "impact" string) (field "evidence" (list $evidence)) (field "fixes" (list $fix))
    (field "eta-seconds" (option f64)) (field "confidence" f64)))
  (type $parameter (record
    (field "name" string) (field "description" string) (field "unit" $unit) (field "default" f64)))
  (type $description (record
    (field "id" string) (field "title" string) (field "version" string) (field "severity" $severity)
    (field "families" (list string)) (field "parameters" (list $parameter))))
  (type $verdict (variant (case "fired" (list $finding)) (case "quiet" string) (case "not-evaluated" string)))

  (func $describe (result $description) (canon lift (core func $rule "describe") (memory $memory)))
  (func $evaluate (result (result $verdict (error string))) (canon lift (core func $rule "evaluate") (memory $memory)))

  (instance $guest
    (export "severity" (type $severity)) (export "urgency" (type $urgency)) (export "entity-kind" (type $kind))
    (export "unit" (type $unit)) (export "name" (type $name)) (export "entity" (type $entity)) (export "signal" (type $signal))
    (export "evidence" (type $evidence)) (export "fix" (type $fix)) (export "finding" (type $finding))
    (export "parameter" (type $parameter)) (export "description" (type $description)) (export "verdict" (type $verdict))
    (export "describe" (func $describe)) (export "evaluate" (func $evaluate)))
  (export "kerno:rules/guest@1.0.0" (instance $guest)))
