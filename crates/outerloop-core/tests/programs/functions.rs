//! The two-dimensional test functions.

use crate::published::Case;
use outerloop_core::program::Id;
use outerloop_core::program::ops::{Fold, Function, Op, Pairing, Slice};
use std::f64::consts::{E, PI};

struct Plane {
    c: Case,
    x: Id,
    y: Id,
}

impl Plane {
    fn new(name: &str) -> Self {
        let mut c = Case::new(name);
        let point = c.id("x");
        let mut coordinate = |i| {
            let one = c.push(Op::Slice(Slice { axis: 0, start: i, len: 1 }), &[point]);
            c.b.reshape(one, &[])
        };
        let (x, y) = (coordinate(0), coordinate(1));
        Self { c, x, y }
    }

    /// Σ weight·value + constant.
    fn sum(&mut self, terms: &[(f64, Id)], constant: f64) -> Id {
        let mut total = self.c.b.affine(terms[0].1, terms[0].0, constant);
        for &(weight, value) in &terms[1..] {
            let term = self.c.b.affine(value, weight, 0.0);
            total = self.c.b.zip(Pairing::Add, total, term);
        }
        total
    }

    fn of(&mut self, function: Function, x: Id) -> Id {
        self.c.b.map(function, x)
    }

    fn product(&mut self, a: Id, b: Id) -> Id {
        self.c.b.zip(Pairing::Mul, a, b)
    }

    fn power(&mut self, x: Id, exponent: f64) -> Id {
        self.of(Function::Power { exponent }, x)
    }
}

#[test]
fn two_dimensional_functions() {
    for name in
        ["rosenbrock", "logsumexp", "ackley", "beale", "styblinski", "matyas", "branin", "michalewicz"]
    {
        let mut p = Plane::new(&format!("test2d_{name}"));
        let (x, y) = (p.x, p.y);
        let (xx, yy, xy) = (p.product(x, x), p.product(y, y), p.product(x, y));
        let loss = match name {
            "rosenbrock" => {
                let a = p.sum(&[(-1.0, x)], 1.0);
                let b = p.sum(&[(1.0, y), (-1.0, xx)], 0.0);
                let (a, b) = (p.of(Function::Square, a), p.of(Function::Square, b));
                p.sum(&[(1.0, a), (100.0, b)], 0.0)
            }
            "logsumexp" => {
                let terms = [
                    p.sum(&[(1.0, x), (3.0, y)], -0.1),
                    p.sum(&[(1.0, x), (-3.0, y)], -0.1),
                    p.sum(&[(-1.0, x)], -0.1),
                ];
                let terms = terms.map(|t| p.c.b.reshape(t, &[1]));
                let zero = p.c.b.constant(&[1], vec![0.0]);
                let all = p.c.push(
                    Op::Concat(outerloop_core::program::ops::Concat { axis: 0 }),
                    &[terms[0], terms[1], terms[2], zero],
                );
                p.c.b.reduce(Fold::LogSumExp, all, None)
            }
            "ackley" => {
                let mean = p.sum(&[(0.5, xx), (0.5, yy)], 0.0);
                let root = p.of(Function::Sqrt, mean);
                let root = p.sum(&[(-0.2, root)], 0.0);
                let far = p.of(Function::Exp, root);
                let [cx, cy] = [x, y].map(|v| {
                    let angle = p.sum(&[(2.0 * PI, v)], 0.0);
                    p.of(Function::Cos, angle)
                });
                let waves = p.sum(&[(0.5, cx), (0.5, cy)], 0.0);
                let waves = p.of(Function::Exp, waves);
                p.sum(&[(-20.0, far), (-1.0, waves)], E + 20.0)
            }
            "beale" => {
                let (xyy, y3) = (p.product(xy, y), p.power(y, 3.0));
                let xy3 = p.product(x, y3);
                let squares = [(1.5, xy), (2.25, xyy), (2.625, xy3)].map(|(constant, term)| {
                    let inner = p.sum(&[(-1.0, x), (1.0, term)], constant);
                    p.of(Function::Square, inner)
                });
                p.sum(&squares.map(|s| (1.0, s)), 0.0)
            }
            "styblinski" => {
                let (x4, y4) = (p.power(x, 4.0), p.power(y, 4.0));
                p.sum(&[(0.5, x4), (-8.0, xx), (2.5, x), (0.5, y4), (-8.0, yy), (2.5, y)], 80.0)
            }
            "matyas" => p.sum(&[(0.26, xx), (0.26, yy), (-0.48, xy)], 0.0),
            "branin" => {
                let inner = p.sum(&[(1.0, y), (-5.1 / (4.0 * PI * PI), xx), (5.0 / PI, x)], -6.0);
                let (square, wave) = (p.of(Function::Square, inner), p.of(Function::Cos, x));
                p.sum(&[(1.0, square), (10.0 * (1.0 - 1.0 / (8.0 * PI)), wave)], 10.0)
            }
            _ => {
                let [a, b] = [(x, xx, 1.0), (y, yy, 2.0)].map(|(v, square, factor)| {
                    let angle = p.sum(&[(factor / PI, square)], 0.0);
                    let wave = p.of(Function::Sin, angle);
                    let (tenth, first) = (p.power(wave, 10.0), p.of(Function::Sin, v));
                    p.product(first, tenth)
                });
                p.sum(&[(-1.0, a), (-1.0, b)], 2.0)
            }
        };
        p.c.check(loss);
    }
}
