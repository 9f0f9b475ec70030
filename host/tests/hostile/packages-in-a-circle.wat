;; What a module says that it is to be, with two packages whose interfaces need each other in turn: a record of a:a/z goes through b:b/y to
;; a:a/x. `../cli/install.rs` puts it into a module.
(component
  (type $outer (component
    (type $world (component
      (type $z (instance (type $r (record (field "a" u32))) (export "t" (type (eq $r)))))
      (import "a:a/z" (instance $zi (type $z)))
      (alias export $zi "t" (type $t))
      (type $y (instance (alias outer 1 $t (type $tt)) (export "t" (type (eq $tt)))))
      (import "b:b/y" (instance $yi (type $y)))
      (alias export $yi "t" (type $u))
      (type $x (instance (alias outer 1 $u (type $uu)) (export "t" (type (eq $uu)))))
      (import "a:a/x" (instance (type $x)))
    ))
    (export "c:c/w" (component (type $world)))
  ))
  (export "w" (type $outer))
)
