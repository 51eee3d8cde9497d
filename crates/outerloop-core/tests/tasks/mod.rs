//! Small data sets and tasks on them.
#![allow(dead_code)]

use super::golden::TaskCase;
use outerloop_core::data::{Examples, ImageSet, Pixels};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::task::{Batch, Datasets, Task, TaskConfig, build_task};
use std::sync::Arc;

pub fn parse(json: &str) -> TaskConfig {
    TaskConfig::from_json(json).unwrap()
}

fn set(
    name: &str,
    pixels: Pixels,
    examples: usize,
    [height, width, channels]: [usize; 3],
    classes: usize,
) -> Arc<ImageSet> {
    let labels = (0..examples).map(|i| (i * 7 % classes) as u16).collect();
    Arc::new(
        ImageSet::new(name, Examples { pixels, labels, height, width, channels }, classes, None).unwrap(),
    )
}

fn bytes(len: usize, seed: u64) -> Pixels {
    let mut words = vec![0u32; len];
    Key::new(seed, Purpose::TaskContent).fill_words(&mut words);
    Pixels::U8(words.into_iter().map(|w| (w >> 24) as u8).collect())
}

/// Grey and colour images, a table of floats, two and a thousand classes.
pub fn datasets() -> Datasets {
    let mut table = vec![0f32; 120 * 11];
    Key::new(9, Purpose::TaskContent).fill_normal(&mut table);
    Datasets::new([
        set("grey", bytes(200 * 64, 1), 200, [8, 8, 1], 10),
        set("colour", bytes(150 * 75, 2), 150, [5, 5, 3], 7),
        set("table", Pixels::F32(table), 120, [1, 11, 1], 3),
        set("two", bytes(100 * 9, 3), 100, [3, 3, 1], 2),
        set("thousand", bytes(1500 * 16, 4), 1500, [4, 4, 1], 1000),
    ])
    .unwrap()
}

/// A published case as a task and its batch.
pub fn golden(case: &TaskCase) -> (Arc<dyn Task>, Batch) {
    let config = &case.config;
    if config["dim"].is_null() {
        let (image, labels) = (case.batch("image"), &case.batch("label").data);
        let features = image.data.len() / labels.len();
        let center = |x: &f32| if config["center_data"] == true { 2.0 * x - 1.0 } else { *x };
        let inputs: Vec<f32> = image.data.iter().map(center).collect();
        let labels: Vec<u32> = labels.iter().map(|&l| l as u32).collect();
        let json = serde_json::json!({"family": "mlp", "dataset": "golden", "hidden": config["hidden"],
            "activation": config["activation"], "batchSize": labels.len()});
        let classes = config["classes"].as_u64().unwrap() as usize;
        let data = set("golden", Pixels::F32(vec![0.0; 40 * features]), 40, [1, features, 1], classes);
        let task = build_task(&parse(&json.to_string()), &Datasets::new([data]).unwrap()).unwrap();
        return (task, Batch::from_examples(&inputs, features, &labels));
    }
    let d = config["dim"].as_u64().unwrap() as usize;
    let json = serde_json::json!({"family": "quadratic", "dims": d, "matrix": {"kind": "normal", "mean": 0, "std": 1},
        "start": {"kind": "normal", "mean": 0, "std": 1}, "output": config["output"], "lossScale": config["loss_scale"],
        "noise": null, "instanceSeed": 0});
    let (a, e) = (&case.batch("A").data, &case.batch("E").data);
    let rows: Vec<f32> = a.iter().zip(e).map(|(a, e)| a + e).collect();
    let task = build_task(&parse(&json.to_string()), &Datasets::default()).unwrap();
    (task, Batch::from_examples(&rows, d, &vec![0; d]))
}
