//! Attaches an object's programs to the kernel's hooks, one kind of hook a function, and takes them off again.

use aya::programs::{BtfTracePoint, FEntry, FExit, Program, RawTracePoint, TracePoint};

use super::{Kernel, LoadError, Object, attach_error, load_error};

impl Object {
    /// Loads a program and attaches it to a tracepoint whose arguments BTF types (`tp_btf`).
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint or refuses the program.
    pub fn attach_tracepoint(&mut self, kernel: &Kernel, program: &'static str, tracepoint: &str) -> Result<(), LoadError> {
        let found: &mut BtfTracePoint = self.program(program)?;
        found.load(tracepoint, &kernel.0).map_err(load_error(program))?;
        found.attach().map_err(attach_error(program))?;
        self.attached.push(program);
        Ok(())
    }

    /// Loads a program and attaches it to a tracepoint with untyped arguments (`raw_tp`).
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint or refuses the program.
    pub fn attach_raw(&mut self, program: &'static str, tracepoint: &str) -> Result<(), LoadError> {
        let found: &mut RawTracePoint = self.program(program)?;
        found.load().map_err(load_error(program))?;
        found.attach(tracepoint).map_err(attach_error(program))?;
        self.attached.push(program);
        Ok(())
    }

    /// Loads a program and attaches it to a tracepoint's perf event (`TRACEPOINT`): needs tracefs, and more rights than the others
    /// where `kernel.perf_event_paranoid` is above 2.
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint, refuses the program or its perf event.
    pub fn attach_perf_tracepoint(&mut self, program: &'static str, category: &str, name: &str) -> Result<(), LoadError> {
        let found: &mut TracePoint = self.program(program)?;
        found.load().map_err(load_error(program))?;
        found.attach(category, name).map_err(attach_error(program))?;
        self.attached.push(program);
        Ok(())
    }

    /// Loads a program and attaches it to the entry of a kernel function.
    ///
    /// # Errors
    ///
    /// When the kernel has no such function or refuses the program.
    pub fn attach_entry(&mut self, kernel: &Kernel, program: &'static str, function: &str) -> Result<(), LoadError> {
        let found: &mut FEntry = self.program(program)?;
        found.load(function, &kernel.0).map_err(load_error(program))?;
        found.attach().map_err(attach_error(program))?;
        self.attached.push(program);
        Ok(())
    }

    /// Loads a program and attaches it to the return of a kernel function.
    ///
    /// # Errors
    ///
    /// When the kernel has no such function or refuses the program.
    pub fn attach_exit(&mut self, kernel: &Kernel, program: &'static str, function: &str) -> Result<(), LoadError> {
        let found: &mut FExit = self.program(program)?;
        found.load(function, &kernel.0).map_err(load_error(program))?;
        found.attach().map_err(attach_error(program))?;
        self.attached.push(program);
        Ok(())
    }

    /// Takes every program off its hook, as if something outside had; what they counted stays readable. For tests.
    pub fn detach(&mut self) {
        for name in std::mem::take(&mut self.attached) {
            let result = match self.ebpf.program_mut(name) {
                Some(Program::BtfTracePoint(program)) => program.unload(),
                Some(Program::RawTracePoint(program)) => program.unload(),
                Some(Program::TracePoint(program)) => program.unload(),
                Some(Program::FEntry(program)) => program.unload(),
                Some(Program::FExit(program)) => program.unload(),
                Some(Program::Iter(program)) => program.unload(),
                _ => Ok(()),
            };
            if let Err(error) = result {
                tracing::warn!(program = name, %error, "a program stays on its hook");
            }
        }
    }
}
