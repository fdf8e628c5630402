//! Stochastic gradient descent.

pub use crate::ops::sgd::Gradient;
use crate::ops::sgd::momentum_step;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// SGD with momentum over a set of variables (PyTorch's `torch.optim.SGD`, dampening 0, no weight decay).
pub struct Sgd {
    variables: Vec<(Var, Tensor)>,
    momentum: f64,
}

impl Sgd {
    /// An optimiser whose velocities start at 0.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn new(variables: Vec<Var>, momentum: f64) -> Result<Sgd> {
        let with_velocity = |v: Var| v.zeros_like().map(|velocity| (v, velocity));
        Ok(Sgd { variables: variables.into_iter().map(with_velocity).collect::<Result<_>>()?, momentum })
    }

    /// One step with learning rate `lr` of every variable whose gradient is there.
    ///
    /// # Errors
    /// If a gradient has another shape than its variable.
    pub fn step(&self, gradients: &GradStore, lr: f64) -> Result<()> {
        for (variable, _) in &self.variables {
            if let Some(gradient) = gradients.get(variable) {
                self.step_one(variable, Gradient::Tensor(gradient), lr)?;
            }
        }
        Ok(())
    }

    /// One step of one of the variables; nothing for any other.
    ///
    /// # Errors
    /// If the gradient has another shape than the variable.
    pub fn step_one(&self, variable: &Var, gradient: Gradient<'_>, lr: f64) -> Result<()> {
        match self.variables.iter().find(|(v, _)| v.id() == variable.id()) {
            Some((_, velocity)) => momentum_step(variable, velocity, gradient, lr, self.momentum),
            None => Ok(()),
        }
    }

    /// Goes on from this velocity of one of the variables.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn set_velocity(&mut self, variable: &Var, velocity: &Tensor) -> Result<()> {
        if let Some((_, slot)) = self.variables.iter_mut().find(|(v, _)| v.id() == variable.id()) {
            // A copy: steps write into it.
            *slot = velocity.copy()?;
        }
        Ok(())
    }

    /// The velocity of one of the variables; zeros for any other.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn velocity(&self, variable: &Var) -> Result<Tensor> {
        match self.variables.iter().find(|(v, _)| v.id() == variable.id()) {
            Some((_, velocity)) => Ok(velocity.clone()),
            None => variable.zeros_like(),
        }
    }
}
