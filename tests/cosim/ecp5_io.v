// What the DDR cells of an ECP5's pins do, by FPGA-TN-02032, without their delays.

module IDDRX1F(input D, input SCLK, input RST, output reg Q0, output reg Q1);
    reg rising, falling;
    always @(posedge SCLK) begin
        rising <= D;
        Q0 <= rising;
        Q1 <= falling;
    end
    always @(negedge SCLK) falling <= D;
endmodule

module ODDRX1F(input D0, input D1, input SCLK, input RST, output Q);
    reg upper, lower, held;
    always @(posedge SCLK) begin
        upper <= D0;
        lower <= D1;
    end
    always @(negedge SCLK) held <= lower;
    assign Q = SCLK ? upper : held;
endmodule
