"""Photos in folders -> a checkpoint of AlexNet, trained the paper's way or a shorter one."""
