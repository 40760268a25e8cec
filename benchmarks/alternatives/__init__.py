"""What a user would pick instead, each as a program that takes the folder of one series."""
