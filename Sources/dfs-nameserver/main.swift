await NameServerProgram.launch()
