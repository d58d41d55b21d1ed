# CI-CAM as KG-CI-CAM's tables and students have it: without its first loss.
kg_student = dict(head=dict(rho=0.0))
