"""What people read: comparison tables, figures, the HTML report and the mirror into MLflow.

Role: turns the files under results/ into tables, images and pages; writes nothing that a stage depends on.
Layer: reporting. Depends on: core, metrics, protocols, datasets, faces, dynamic_images, spaces, learn, search,
training, evaluation.
"""
