//! Twins of hand-designed rules that look at one element at a time.

use super::NUM_STEPS;
use outerloop_core::optim;
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::adabelief::AdaBelief;
use outerloop_core::reference::adagrad::AdaGrad;
use outerloop_core::reference::adam8p::Adam8p;
use outerloop_core::reference::adamw::AdamW;
use outerloop_core::reference::elementwise::{ElementRule, Elementwise};
use outerloop_core::reference::lion::Lion;
use outerloop_core::reference::nadamw::NAdamW;
use outerloop_core::reference::radam::RAdam;
use outerloop_core::reference::rmsprop::{RmsProp, RmsPropMomentum};
use outerloop_core::reference::yogi::Yogi;
use outerloop_core::reference::{Constants, ReferenceOptimizer};

type Twin = Box<dyn ReferenceOptimizer>;

fn twin(rule: impl ElementRule + 'static, specs: &[TensorSpec], constants: Constants) -> Twin {
    Box::new(Elementwise::new(rule, specs, constants, NUM_STEPS))
}

pub fn rmsprop(c: &optim::RmsProp, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::RmsProp { lr, decay, eps, momentum, nesterov } = c;
    let rmsprop = RmsProp { lr, decay, eps };
    if momentum == 0.0 {
        twin(rmsprop, specs, constants)
    } else {
        twin(RmsPropMomentum { rmsprop, momentum, nesterov }, specs, constants)
    }
}

pub fn adamw(c: &optim::AdamW, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::AdamW { lr, beta1, beta2, eps, eps_root, weight_decay } = c;
    twin(AdamW { lr, beta1, beta2, eps, eps_root, weight_decay }, specs, constants)
}

pub fn nadamw(c: &optim::NAdamW, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::NAdamW { lr, beta1, beta2, eps, weight_decay, l2, nesterov, .. } = c;
    let &optim::NAdamW { min_lr_mult, constant_fraction, warmup_fraction, .. } = c;
    let &optim::NAdamW { l2_fixed, warmup_min, array_betas, .. } = c;
    let rule = NAdamW {
        lr,
        beta1,
        beta2,
        eps,
        weight_decay,
        l2,
        nesterov,
        min_lr_mult,
        constant_fraction,
        warmup_fraction,
        l2_fixed,
        warmup_min,
        array_betas,
    };
    twin(rule, specs, constants)
}

pub fn adam8p(c: &optim::Adam8p, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::Adam8p { lr, beta1, beta2, eps, l1, l2, linear_decay, exponential_decay, rescale_time } = c;
    let rule = Adam8p { lr, beta1, beta2, eps, l1, l2, linear_decay, exponential_decay, rescale_time };
    twin(rule, specs, constants)
}

pub fn adagrad(c: &optim::AdaGrad, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::AdaGrad { lr, initial_accumulator, eps } = c;
    twin(AdaGrad { lr, initial_accumulator, eps }, specs, constants)
}

pub fn lion(c: &optim::Lion, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::Lion { lr, beta1, beta2, weight_decay } = c;
    twin(Lion { lr, beta1, beta2, weight_decay }, specs, constants)
}

pub fn yogi(c: &optim::Yogi, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::Yogi { lr, beta1, beta2, eps, initial_accumulator } = c;
    twin(Yogi { lr, beta1, beta2, eps, initial_accumulator }, specs, constants)
}

pub fn radam(c: &optim::RAdam, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::RAdam { lr, beta1, beta2, eps, threshold } = c;
    twin(RAdam { lr, beta1, beta2, eps, threshold }, specs, constants)
}

pub fn adabelief(c: &optim::AdaBelief, specs: &[TensorSpec], constants: Constants) -> Twin {
    let &optim::AdaBelief { lr, beta1, beta2, eps, eps_root } = c;
    twin(AdaBelief { lr, beta1, beta2, eps, eps_root }, specs, constants)
}
